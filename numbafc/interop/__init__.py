"""numbafc beside other libraries: a file or a folder for each, which imports its library, an extra, and nobody else does."""
