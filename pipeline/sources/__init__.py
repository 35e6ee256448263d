"""What 'pull' means for each kind of source, and where what was pulled lands."""
