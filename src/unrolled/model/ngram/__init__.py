"""The n-gram of a text: modified Kneser-Ney."""
