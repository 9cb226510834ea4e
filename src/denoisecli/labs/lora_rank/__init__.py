"""The LoRA lab: how few numbers a LoRA needs, at falling rank."""
