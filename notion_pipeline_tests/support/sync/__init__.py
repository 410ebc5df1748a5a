"""What the tests of syncs: engines, models, faults, crashes share."""
