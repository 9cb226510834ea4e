"""LoRA files by their singular values: read, measured and truncated, without torch.

A LoRA layer holds two thin factors, and its change to a weight matrix is ΔW = (alpha / rank) · up · down.

files      a safetensors file, checked before it is believed, read tensor by tensor
keys       the names in it become layers, whatever tool wrote them; what is no plain LoRA is refused by name
lora       an open LoRA file: its layers and their factors
blocks     which block of which network a layer belongs to, and which model the file was made for
spectrum   the exact singular values of up · down, and the best factors of lower rank
threads    several layers at once, one thread each
fit        does a LoRA fit a model, by names and shapes
adapter    ranks and alphas in PEFT's metadata
ranks      how many of them to keep: by rank, by energy, by ratio
truncate   smaller files in the layout that came in
"""
