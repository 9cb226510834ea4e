"""What works on stored runs of any lab: render, compare, gallery, slides."""
