"""Networks: what they are made of, and the files that hold them."""
