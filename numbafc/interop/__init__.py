"""numbafc beside other libraries: a file or a folder for each, which alone imports it; each is an extra."""
