"""Every customer from seven dimensions, each feature declared once."""
