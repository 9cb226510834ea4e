"""Configs: frozen models (`schema`), read from YAML with line numbers (`load`), written as commented YAML (`write`)."""
