/** Read what the page carries and start its lab. */

import { lab } from "./lab.js";

const read = (id) => JSON.parse(document.getElementById(id).textContent);
Promise.resolve(lab(read("data"), read("blobs"))).then(() => document.body.setAttribute("data-ready", ""));
