"""HTTP for programs: requests become calls, outcomes become responses."""
