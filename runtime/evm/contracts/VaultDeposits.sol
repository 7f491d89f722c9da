// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC3009} from "@openzeppelin/contracts/interfaces/draft-IERC3009.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {LowLevelCall} from "@openzeppelin/contracts/utils/LowLevelCall.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IERC3009Bytes} from "./IERC3009Bytes.sol";
import {IVault} from "./IVault.sol";
import {VaultStorage} from "./VaultStorage.sol";

/// @title How money comes into a vault: by transfer, EIP-3009 or permit
/// @dev A vault is opened by its terms, whoever pays; whoever signs names the vault and the amount.
abstract contract VaultDeposits is VaultStorage, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @notice Longest delay, so that nobody locks a deposit away for ever by a slip.
    uint48 public constant DELAY_MAX = 365 days;

    /// @inheritdoc IVault
    function open(Terms calldata terms, uint128 amount) external nonReentrant returns (bytes32 vaultId) {
        vaultId = _open(terms);
        if (amount > 0) _deposit(vaultId, msg.sender, amount);
    }

    /// @inheritdoc IVault
    function deposit(bytes32 vaultId, uint128 amount) external nonReentrant {
        _known(vaultId);
        _deposit(vaultId, msg.sender, amount);
    }

    /// @inheritdoc IVault
    function openWithAuthorization(
        Terms calldata terms,
        address from,
        uint128 amount,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 salt,
        bytes calldata signature
    ) external nonReentrant returns (bytes32 vaultId) {
        vaultId = _open(terms);
        uint256 before = IERC20(terms.token).balanceOf(address(this));
        // The nonce names the vault: who sees this in the mempool can only do the same thing earlier.
        _receive(terms.token, from, amount, validAfter, validBefore, keccak256(abi.encode(vaultId, salt)), signature);
        _arrived(vaultId, from, terms.token, before, amount);
    }

    /// @dev 65 bytes are a plain signature, which every EIP-3009 token takes, whatever code `from` bears
    /// (EIP-7702). What it will not have so, or is longer, goes where contract wallets are asked (ERC-1271).
    function _receive(
        address token,
        address from,
        uint128 amount,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) private {
        bytes memory reason;
        if (signature.length == 65) {
            (uint8 v, bytes32 r, bytes32 s) = _parts(signature);
            try IERC3009(token).receiveWithAuthorization(from, address(this), amount, validAfter, validBefore, nonce, v, r, s) {
                return;
            } catch (bytes memory data) {
                if (from.code.length == 0) LowLevelCall.bubbleRevert(data);
                reason = data;
            }
        } else if (from.code.length == 0) {
            revert BadSignature();
        }
        try IERC3009Bytes(token).receiveWithAuthorization(from, address(this), amount, validAfter, validBefore, nonce, signature) {}
        catch (bytes memory data) {
            if (reason.length == 0) reason = data;
            if (reason.length == 0) revert BadSignature();
            LowLevelCall.bubbleRevert(reason);
        }
    }

    /// @inheritdoc IVault
    function openWithPermit(
        Terms calldata terms,
        DepositOrder calldata order,
        bytes calldata signature,
        bytes calldata permitSignature
    ) external nonReentrant returns (bytes32 vaultId) {
        vaultId = _open(terms);
        if (block.timestamp >= order.validBefore) revert Late(order.validBefore);
        bytes32 digest = _depositDigest(vaultId, order);
        if (_orders[digest]) revert OrderUsed(digest);
        if (!_signedByAccount(order.from, digest, signature)) revert BadSignature();
        _orders[digest] = true;
        if (permitSignature.length != 0) {
            (uint8 v, bytes32 r, bytes32 s) = _parts(permitSignature);
            // A permit that somebody has sent ahead has left the allowance; without one the transfer fails.
            try IERC20Permit(terms.token).permit(order.from, address(this), order.amount, order.validBefore, v, r, s) {} catch {}
        }
        _deposit(vaultId, order.from, order.amount);
    }

    function _open(Terms calldata terms) private returns (bytes32 vaultId) {
        vaultId = vaultIdOf(terms);
        VaultState storage vault = _vaults[vaultId];
        if (vault.owner != address(0)) return vaultId;
        if (
            terms.owner == address(0) || terms.voucherKey == address(0) || terms.token == address(0)
                || terms.delay == 0 || terms.delay > DELAY_MAX
        ) revert BadTerms();
        vault.owner = terms.owner;
        vault.delay = terms.delay;
        vault.voucherKey = terms.voucherKey;
        vault.number = terms.number;
        vault.token = terms.token;
        emit VaultOpened(vaultId, terms.owner, terms.token, terms.voucherKey, terms.delay, terms.number);
    }

    /// @dev `from` is the caller, or has signed for this vault and amount.
    function _deposit(bytes32 vaultId, address from, uint128 amount) private {
        address token = _vaults[vaultId].token;
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(from, address(this), amount);
        _arrived(vaultId, from, token, before, amount);
    }

    /// @dev A token that takes a fee, or lies about a transfer, is refused here (I2).
    function _arrived(bytes32 vaultId, address from, address token, uint256 before, uint128 amount) private {
        uint256 now_ = IERC20(token).balanceOf(address(this));
        uint256 arrived = now_ < before ? 0 : now_ - before;
        if (arrived != amount) revert DepositMismatch(amount, arrived);
        _vaults[vaultId].free += amount;
        emit Deposited(vaultId, from, amount);
    }
}
