"""The oracle under faults: several processes, a bus that fails, and processes that are killed."""
