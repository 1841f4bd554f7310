"""Sub-commands of `outrider` that belong to the live side."""
