"""Training of learned policies with Stable-Baselines3. Needs the ``train`` extra; nothing else imports this package."""
