"""The run folder: what stands in it, that it is born whole, and who may write it."""
