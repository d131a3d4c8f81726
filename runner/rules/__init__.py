"""Pure decisions: plain functions from values to values. Time, chance and settings are arguments."""
