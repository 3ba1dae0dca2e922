"""What kind of motion a run is."""
