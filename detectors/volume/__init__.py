"""What `data_volume` is made of: usage, what is expected of it, and judging one by the other."""
