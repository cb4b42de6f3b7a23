"""What any OpenAI-compatible server promises: pytest -m serving --endpoint URL."""
