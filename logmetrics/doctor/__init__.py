"""`logmetrics doctor`: what a machine is like, and what stands in the way. It looks, and changes nothing."""
