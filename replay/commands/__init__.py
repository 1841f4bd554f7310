"""Sub-commands of `outrider` that belong to the offline side."""
