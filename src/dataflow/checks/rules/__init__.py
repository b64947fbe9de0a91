"""One rule a file: a caption in, a verdict out."""
