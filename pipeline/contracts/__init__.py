"""One file a table says what its rows must be; all that checks or stores them derives from it."""
