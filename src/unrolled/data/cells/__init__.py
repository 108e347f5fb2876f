"""What single cells and whole columns of cells are: numbers, dates, labels, words."""
