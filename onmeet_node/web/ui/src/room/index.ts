// The screen of a room. The guest page loads it when its link leads into one.
import "./over.js";
import "./screen.js";
