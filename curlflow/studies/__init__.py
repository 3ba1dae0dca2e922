"""Studies: a spec or a system goes in, one labelled dataset comes out."""
