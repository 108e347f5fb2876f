"""What a net stands beside: counted, fitted, looked up."""
