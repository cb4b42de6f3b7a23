"""What must be so before the first step, by topic.

Else nothing that follows would say anything about the product.
"""
