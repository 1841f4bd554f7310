"""What is told of a comparison: a table for people, a document for programs."""
