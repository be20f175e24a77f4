"""What ``sparkiot bench operator`` measures with: jobs, an operator to run them, and what its metrics say of them."""
