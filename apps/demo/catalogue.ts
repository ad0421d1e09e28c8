import { dateTime } from './calendar.ts'
import type { Filling } from './filling.ts'
import { ADJECTIVES, PHRASES, THINGS } from './words.ts'

const TWIN_NAMES = ['Café', 'Brötchen'] as const
const STOCK_TEXTS = ['n/a', 'on request', '?'] as const
const WAREHOUSES = ['WRO-1', 'BER-2', 'LYO-1'] as const
/** Every how many products the stock was typed in by hand, or never known. */
const STOCK_TEXT_EVERY = 211
const STOCK_NULL_EVERY = 97

export interface Catalogue {
  readonly categories: number
  /** Price in cents by productId; index 0 is unused. */
  readonly prices: readonly number[]
}

export function fillCatalogue(shop: Filling): Catalogue {
  const categories = fillCategories(shop)
  const prices = fillProducts(shop, categories)
  fillImages(shop, prices.length - 1)
  fillStockMovements(shop, prices)
  return { categories, prices }
}

/** A tree of three levels over itself. Some names are there twice for the eye: in NFC and in NFD. */
function fillCategories(shop: Filling): number {
  const insert = shop.inserter('category', 'category', 4)
  const count = shop.size(120)
  let id = 0
  for (const name of TWIN_NAMES) {
    insert(++id, null, name.normalize('NFC'), id)
    insert(++id, null, name.normalize('NFD'), id)
    shop.oddities.normalisationTwins++
  }
  while (id < count) {
    const parent = id < 12 ? null : shop.random.between(1, Math.floor(id / 3))
    insert(++id, parent, `${shop.random.pick(ADJECTIVES)} ${shop.random.pick(THINGS)}s ${id}`, id)
  }
  return count
}

function fillProducts(shop: Filling, categories: number): number[] {
  const { random, oddities } = shop
  const insert = shop.inserter(
    'Product',
    '"Product" ("productId", sku, "displayName", category_id, price, weight, stock, attributes, discontinued)',
    9,
  )
  const index = shop.inserter('product_search', 'product_search (name, description)', 2)
  const prices = [0]
  const count = shop.size(2_500)
  for (let id = 1; id <= count; id++) {
    const cents = random.between(99, 89_999)
    const name = `${random.pick(ADJECTIVES)} ${random.pick(THINGS)}`
    let stock: number | string | null = random.below(400)
    if (id % STOCK_TEXT_EVERY === 30) {
      stock = random.pick(STOCK_TEXTS)
      oddities.stockTexts++
    } else if (id % STOCK_NULL_EVERY === 20) {
      stock = null
      oddities.stockNulls++
    }
    const attributes = JSON.stringify({
      colour: random.pick(ADJECTIVES),
      size: random.below(50) / 2,
    })
    insert(
      id,
      `SKU-${String(id).padStart(5, '0')}-${random.hex(4).toUpperCase()}`,
      name,
      random.chance(0.02) ? null : random.between(1, categories),
      cents / 100,
      random.chance(0.1) ? null : random.below(20_000) / 997,
      stock,
      attributes,
      random.chance(0.08) ? 1 : 0,
    )
    index(name, shop.phrase(PHRASES, 3))
    prices.push(cents)
  }
  return prices
}

/** Thumbnails of a few hundred bytes; some were never made (NULL), some came out empty (zero bytes). */
function fillImages(shop: Filling, products: number): void {
  const { random, oddities } = shop
  const insert = shop.inserter('product_image', 'product_image', 6)
  const count = shop.size(2_500)
  for (let id = 1; id <= count; id++) {
    let thumbnail: Uint8Array | null = random.fill(new Uint8Array(random.between(120, 900)))
    if (id % 100 === 7) {
      thumbnail = new Uint8Array(0)
      oddities.thumbnailEmpty++
    } else if (id % 60 === 11) {
      thumbnail = null
      oddities.thumbnailNulls++
    }
    const mime = random.chance(0.2) ? 'image/webp' : 'image/jpeg'
    const width = random.between(64, 2_048)
    insert(id, ((id - 1) % products) + 1, mime, width, random.between(64, 2_048), thumbnail)
  }
}

function fillStockMovements(shop: Filling, prices: readonly number[]): void {
  const { random } = shop
  const insert = shop.inserter('stock_movement', 'stock_movement', 6)
  const count = shop.size(20_000)
  for (let id = 1; id <= count; id++) {
    const product = random.between(1, prices.length - 1)
    const unitCost = random.chance(0.05) ? null : (prices[product] ?? 0) / 173
    const movedAt = dateTime(1_400 + Math.floor((id * 2_000) / count), random.below(86_400))
    insert(id, product, random.pick(WAREHOUSES), random.between(-20, 60), unitCost, movedAt)
  }
}
