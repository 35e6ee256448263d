"""Pages for people: each one file that loads nothing, so that it can be mailed and kept."""
