"""Baselines: linear models, naive Bayes and nearest neighbours."""
