"""AUTOMATIC1111's texts: read and written."""
