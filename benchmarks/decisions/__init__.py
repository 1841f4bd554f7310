"""What Outrider's decisions cost and attain, beside its peers and the clairvoyant, on real traffic: `make benchmark`."""
