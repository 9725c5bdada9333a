"""What jobs will take, learnt from what jobs took."""
