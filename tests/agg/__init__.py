"""What an aggregated deployment promises."""
