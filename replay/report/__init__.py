"""The standings of a tournament: a table for people, a document for programs."""
