"""Traffic: readers of recorded traces and seeded generators of shipped samples."""
