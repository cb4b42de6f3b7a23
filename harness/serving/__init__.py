"""Serving: requests, their records, and the judges of the streams that came back."""
