// The screen of a room. The guest page loads it when its link leads into one.
import "./ended.js";
import "./screen.js";
