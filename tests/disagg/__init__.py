"""What a disaggregated deployment promises."""
