/** The walk: scrub and play its frames, drag over its map, and see what the runs along it had in mind at their states. */

import { captionOf } from "../../media/page/captions.js";
import { element } from "../../media/page/dom.js";
import { listen } from "../../media/page/keys.js";
import { makeMap } from "./map.js";
import { threeFigures } from "../../media/page/numbers.js";
import { makeStage } from "../../media/page/panels.js";
import { blit, makePictures } from "../../media/page/pictures.js";
import { makePlot } from "../../media/page/plot.js";
import { makeReadout } from "../../media/page/readout.js";
import { makeShell } from "../../media/page/shell.js";
import { makeSlider, setStops } from "../../media/page/slider.js";
import { makeStore } from "../../media/page/store.js";
import { makeTabs } from "../../media/page/tabs.js";
import { makeLine } from "../../media/page/timeline.js";

const VIEWS = [
  ["finished", "Finished", "the picture that each frame's run ends with"],
  ["guesses", "Guesses", "x̂₀ of some frames at some states: the whole way is coherent from the first steps on"],
];
const SHOWN = [["one", "One"], ["all", "All"]];
const [TICK, REST] = [1000 / 24, 500]; // milliseconds, of a frame and of an end

export function lab(data, blobs) {
  const { frames, columns, rows } = data;
  const last = rows.length - 1;
  const first = [...data.map.pictures.map((index) => `final/${frames[index].index}`)];
  const pictures = makePictures(blobs.pictures, first, () => store.change({ decoded: store.state.decoded + 1 }));
  const finished = (index) => pictures.get(`final/${frames[index].index}`);
  const onTheWay = (column, row) => (row === last ? finished(columns[column]) : pictures.get(`guess/${column}/${row}`));
  const columnOf = (frame) => columns.reduce((best, index, i) => (Math.abs(index - frame) < Math.abs(columns[best] - frame) ? i : best), 0);

  const stage = makeStage();
  const tabs = makeTabs({
    label: "view", onChoose: (view) => store.change(viewed(view)),
    choices: VIEWS.map(([value, text, title], i) => ({ value, text, title, key: String(i + 1) })),
  });
  const shell = makeShell({ data, stage, tabs: tabs.node, keys: "← → frame · space play · b there and back · 1–2 view · ↑ ↓ state" });
  const scrubTo = (frame) => (store.state.view === "finished" ? lines.finished.scrub(frame) : lines.guesses.scrub(columnOf(frame), store.state.row));
  const said = (frame) => `${frames[frame].big} ${frames[frame].beside} · frame ${frames[frame].index + 1} of ${data.count}`;
  const map = makeMap(data.map, (end) => finished(data.map.pictures[end]), scrubTo);
  const side = makeSide(data, shell.side, map, { change: (patch) => store.change(patch), said, scrubTo });

  const viewed = (view) => ({ view, ...(view === "guesses" ? { frame: columns[columnOf(store.state.frame)] } : {}) });
  let towards = 1;
  const lines = {
    finished: makeLine({
      foot: shell.foot, label: "frame", count: frames.length, said, onScrub: (frame) => store.change({ frame }),
      strip: { ratio: data.ratio, smooth: () => true, picture: finished },
      advance: () => {
        const { frame, back } = store.state;
        if (frame === 0) towards = 1;
        if (frame === frames.length - 1 && back) towards = -1;
        const next = (frame + (back ? towards : 1) + frames.length) % frames.length;
        store.change({ frame: next });
        return frames[next].end ? REST : TICK;
      },
    }),
    guesses: makeLine({
      foot: shell.foot, label: "column", count: columns.length, said: (column, row) =>
        `${said(columns[column])}${row === undefined ? "" : ` · state ${rowWord(rows[row], last === row)}`}`,
      onScrub: (column, row) => store.change({ frame: columns[column], ...(row === undefined ? {} : { row }) }),
      strip: { rows: rows.length, ratio: data.ratio, smooth: () => true, picture: onTheWay },
      advance: () => {
        const row = (store.state.row + 1) % rows.length;
        store.change({ row });
        return row === last ? 1600 : 500;
      },
    }),
  };

  let panels = [];
  let drawn = {};
  const changed = (state, ...names) => names.some((name) => state[name] !== drawn[name]);
  const store = makeStore(
    { frame: 0, view: "finished", row: Math.min(1, last), shown: "all", back: data.back, decoded: 0 },
    (state) => {
      const column = columnOf(state.frame);
      const all = state.view === "guesses" && state.shown === "all";
      if (changed(state, "view", "shown")) {
        const captions = columns.map((index) => frames[index].big);
        panels = stage.show({
          captions: all ? captions : [state.view === "guesses" ? captions[column] : ""], proportion: data.ratio, onChoose: (i) => lines.guesses.scrub(i, store.state.row),
        });
        shell.fit();
      }
      if (all) panels.forEach(({ canvas, frame, tell }, i) => {
        frame(i === column);
        tell(captionOf(frames[columns[i]].big, data.drawn?.[i][state.row]));
        blit(canvas, onTheWay(i, state.row));
      });
      else {
        panels[0].tell(captionOf(frames[columns[column]].big, data.drawn?.[column][state.row]));
        blit(panels[0].canvas, state.view === "finished" ? finished(state.frame) : onTheWay(column, state.row));
      }
      panels[all ? column : 0].canvas.setAttribute("aria-label", said(state.frame));
      if (changed(state, "view", "decoded")) {
        tabs.set(state.view);
        Object.entries(lines).forEach(([name, { show }]) => show(name === state.view));
        lines[state.view].redraw();
        map.draw();
      }
      side.tell(state);
      map.move(state.frame);
      if (state.view === "finished") lines.finished.move(state.frame);
      else lines.guesses.move(column, state.row);
      drawn = { ...state };
    });

  const forward = (key) => (event) => lines[store.state.view].keys()[key](event);
  const turn = (step) => () => (store.state.view === "finished" ? null
    : store.change({ row: Math.min(last, Math.max(0, store.state.row + step)) }));
  listen({
    ...Object.fromEntries(Object.keys(lines.finished.keys()).map((key) => [key, forward(key)])),
    ArrowUp: turn(-1), ArrowDown: turn(1), b: () => store.change({ back: !store.state.back }),
    s: () => store.change({ shown: store.state.shown === "all" ? "one" : "all" }),
    ...Object.fromEntries(VIEWS.map(([view], i) => [String(i + 1), () => store.change(viewed(view))])),
  });
  store.change();
  return pictures.all;
}

function rowWord({ state, level }, finished) {
  return finished ? "finished" : `${state} · ${level}`;
}

/** The side: where we are, in words and on the map; how much the picture changes; the state of the runs. */
function makeSide(data, node, map, { change, said, scrubTo }) {
  const { frames, rows, jumps } = data;
  const readout = makeReadout(["frame", "change to the next", "state"]);
  const plot = makePlot({ onScrub: (share) => scrubTo(nearestTo(share)), hint: (share) => said(nearestTo(share)) });
  const at = frames.map((frame) => frame.at);
  const nearestTo = (share) => at.reduce((best, x, i) => (Math.abs(x - share) < Math.abs(at[best] - share) ? i : best), 0);
  const slider = makeSlider({
    label: "state", count: rows.length, said: (row) => `state ${rowWord(rows[row], row === rows.length - 1)}`, onInput: (row) => change({ row }), ownKeys: true,
  });
  const shown = makeTabs({ label: "shown", choices: SHOWN.map(([value, text]) => ({ value, text })), onChoose: (value) => change({ shown: value }) });
  const back = makeTabs({
    label: "play", onChoose: (value) => change({ back: value }),
    choices: [{ value: true, text: "⇄", title: "there and back" }, { value: false, text: "↻", title: "from the start again" }],
  });
  back.buttons.forEach((button, i) => button.setAttribute("aria-label", ["there and back", "from the start again"][i]));
  const state = element("div", { class: "states" }, slider.node, shown.node);
  node.append(element("div", { class: "headline" }, readout.nodes[0], element("div", { class: "choose" }, back.node)),
    readout.table, state, map.node, element("div", { class: "plot-place low" }, plot.node));
  const stops = () => setStops(slider, rows.map((row, i) => ({ text: i === rows.length - 1 ? "finished" : String(row.state), title: row.level })), (row) => change({ row }));
  new ResizeObserver(stops).observe(slider.node);
  document.fonts.ready.then(stops);
  plot.draw({
    title: "how much the picture changes from frame to frame", caption: data.captions.change, ends: [data.map.names[0], data.map.names[data.loop ? 0 : data.map.names.length - 1]],
    top: jumps.top, x: at, curves: [{ label: "", role: "teal", values: frames.map((frame) => frame.change) }],
    thresholds: Object.entries(jumps.largest).map(([name, value]) => ({
      value, role: name === "even" ? "quiet" : "amber", text: `largest, ${name} ${threeFigures(value)}`,
    })),
  });
  return {
    tell: ({ frame, view, row, shown: how, back: there }) => {
      const { big, beside, index, jump } = frames[frame];
      readout.tell(big, beside, [`${index + 1} of ${data.count}`, threeFigures(jump),
        view === "guesses" ? rowWord(rows[row], row === rows.length - 1) : "finished"]);
      plot.move(frame);
      slider.set(row);
      shown.set(how);
      back.set(there);
      state.hidden = view !== "guesses";
      back.node.hidden = view === "guesses";
      plot.node.parentNode.hidden = view === "guesses";
    },
  };
}
