"""The main job: trials one after another, each recorded; when to repeat, when to stop."""
