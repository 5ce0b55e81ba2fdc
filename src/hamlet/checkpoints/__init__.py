"""Save and restore checkpoints: parameters, optimisers, the state of the environment copies and the replay buffer."""
