"""ComfyUI's graphs: read and written."""
