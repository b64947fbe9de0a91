// What the page knows: the loaded captions, the chosen one, and what is not on the server yet.

export const PAGE = 50;

export const state = {
  items: [], // the loaded captions of the view, in its order
  ended: false, // whether the view has no more of them
  chosen: null, // the id of the chosen caption
  saving: new Map(), // id → how many of its changes are on their way
  confirmed: new Map(), // id → the caption as the server has it, while changes are on their way
  unsaved: new Map(), // id → { text, decision, conflict }: what the server did not take
};

export const indexOf = (id) => state.items.findIndex((item) => item.id === id);
export const itemOf = (id) => state.items[indexOf(id)] || null;
