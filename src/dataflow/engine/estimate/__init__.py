"""What a run would ask and cost, before it asks."""
