"""The standings of a tournament, or the sweep of a policy's knobs: a table for people, a document for programs."""
