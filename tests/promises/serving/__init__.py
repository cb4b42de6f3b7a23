"""The serving contract: what holds of any OpenAI-compatible server, deployed by us or attached."""
