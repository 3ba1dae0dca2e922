"""Numbers from functions and arrays. Measures never see a network, so a new learning rule changes none of them."""
